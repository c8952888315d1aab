"""The body of a milling spindle: what cutting costs it, how steady it turns, how hard it shakes.

    cutting_power_w(cut, feed_m_s, ...)      mean power at the edge
    torque_ripple_nm(...)                    how unsteady the cutting torque is
    observe(spindle, ...)                    what the drive reports at each sample

The machine around it, with programs and runs, is `twins/mill.py`. `wear` is flank wear as a share of the wear at the
end of the tool's life (`toolwear.py`): 0 new, 1 worn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loopwright.core.errors import InputError


@dataclass(frozen=True)
class Cut:
    """How the tool stands in the material.

    depth_m, width_m  axial and radial engagement
    specific_pa       specific cutting force of the material, N/m2 (304L steel: about 2.4e9)
    edge_n_m          force a metre of edge in the cut that does not depend on the chip: a new edge's
    edge_worn_n_m     what a worn edge adds to it, rubbing on its flank
    new_ripple        spread of the cutting torque with a new edge, as a share of its mean
    worn_ripple       what a worn edge adds to it
    """

    depth_m: float = 1.5e-3
    width_m: float = 6.0e-3
    specific_pa: float = 2.4e9
    edge_n_m: float = 20.0e3
    edge_worn_n_m: float = 40.0e3
    new_ripple: float = 0.06
    worn_ripple: float = 0.2

    def __post_init__(self) -> None:
        if min(self.depth_m, self.width_m, self.specific_pa) <= 0:
            raise InputError("cut", f"depth {self.depth_m}, width {self.width_m}, force {self.specific_pa}", "above 0")


@dataclass(frozen=True)
class Spindle:
    """A small milling spindle with its drive.

    speed_rad_s  commanded speed under way (335 is 3,200 rpm); ramp_rad_s2: how fast it gets there
    tool_m       diameter of the tool; teeth: its edges
    inertia      of all that turns, kg.m2
    idle_w       power to turn in air; rated_nm: torque at rated current; rated_a: rated current of the motor
    noise_rad_s2 spread of the measured acceleration when turning in air
    """

    speed_rad_s: float = 335.0
    ramp_rad_s2: float = 628.0
    tool_m: float = 6.0e-3
    teeth: int = 2
    inertia: float = 6.0e-4
    idle_w: float = 170.0
    rated_nm: float = 4.0
    rated_a: float = 4.5
    noise_rad_s2: float = 180.0

    @property
    def cutting_speed_m_s(self) -> float:
        """Speed of the edge along the material: v = w * d / 2."""
        return self.speed_rad_s * self.tool_m / 2.0

    def feed_tooth_m(self, feed_m_s: float) -> float:
        """How far the part moves from one edge to the next: f = v_f / (n * z)."""
        return feed_m_s / (self.speed_rad_s / (2.0 * np.pi) * self.teeth)


def cutting_power_w(cut: Cut, feed_m_s: np.ndarray | float, speed_m_s: float, wear: np.ndarray | float) -> np.ndarray:
    """Mean power at the cutting edge.

    feed_m_s   (n,)  feed rate, 0 in air
    speed_m_s  ()    cutting speed: of the edge along the material
    wear       (n,)  flank wear as a share of that at the end of life
    returns    (n,)  W

    P = a_p * a_e * v_f * k_c + a_p * v_c * (K_e + K_w * wear) while cutting, 0 in air: shearing the chip grows with the
    feed; rubbing does not, and it is what wear makes larger.
    Holds for steady cutting with the whole edge engaged; says nothing about entry and exit.
    Source: Y. Altintas, Manufacturing Automation, 2nd ed. (2012), chapter 2 (shearing and edge forces); that force
    grows with the flank's wear area: S. K. Sikdar and M. Chen, J. Materials Processing Technology 128 (2002) 210. The
    sizes are chosen.
    """
    feed = np.asarray(feed_m_s, dtype=np.float64)
    shear = cut.depth_m * cut.width_m * feed * cut.specific_pa
    edge = cut.depth_m * speed_m_s * (cut.edge_n_m + cut.edge_worn_n_m * np.asarray(wear))
    return np.where(feed > 0, shear + edge, 0.0)


def torque_ripple_nm(cut: Cut, torque_nm: np.ndarray, wear: np.ndarray | float) -> np.ndarray:
    """Spread of the cutting torque about its mean, as a sampler slower than the teeth sees it.

    An edge passes the material 107 times a second; at 10 Hz the phase is arbitrary, so what is seen is noise whose
    spread is a share of the mean torque, new_ripple + worn_ripple * wear**2: edges wear unevenly, and the more the
    further they are worn. (n,) N.m
    """
    return np.asarray(torque_nm) * (cut.new_ripple + cut.worn_ripple * np.asarray(wear) ** 2)


def vibration_rms_m_s2(force_n: np.ndarray, wear: np.ndarray | float, idle_m_s2: float = 0.4) -> np.ndarray:
    """Root mean square of the spindle head's acceleration.

    force_n  (n,)  mean cutting force, N (power over cutting speed)
    returns  (n,)  m/s2

    a = sqrt(a_idle**2 + (c * F * (1 + wear))**2), c = 0.004 m/s2 a newton: cutting and turning add as independent
    sources. The coefficients are chosen; measured values depend on the machine and where the sensor sits.
    """
    return np.sqrt(idle_m_s2**2 + (0.004 * np.asarray(force_n) * (1.0 + np.asarray(wear))) ** 2)


def observe(
    spindle: Spindle,
    cut: Cut,
    command_rad_s: np.ndarray,
    feed_m_s: np.ndarray,
    wear: np.ndarray,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """What the drive reports at each sample, by signal name, inside units.

    command_rad_s  (n,)  commanded speed at 10 Hz
    feed_m_s       (n,)  feed rate where the tool is in the material, 0 elsewhere
    wear           (n,)  flank wear as a share of that at the end of life

    J * dw/dt = T_motor - T_idle - T_cut. The speed loop holds the mean, so the mean motor torque is what idling and
    cutting need, and the ripple of the cutting torque is left to the inertia: dw/dt spreads by ripple / J.
    """
    n, turning = len(command_rad_s), command_rad_s > 1.0
    speed = np.maximum(command_rad_s, 1.0)
    power = np.where(turning, cutting_power_w(cut, feed_m_s, spindle.cutting_speed_m_s, wear), 0.0)
    torque = power / speed
    ripple = torque_ripple_nm(cut, torque, wear)
    spread = np.hypot(spindle.noise_rad_s2, ripple / spindle.inertia)
    acceleration = np.where(turning, spread * rng.standard_normal(n), 0.0)
    ramp = np.gradient(command_rad_s) * 10.0 if n > 1 else np.zeros(n)
    idle = spindle.idle_w * (speed / spindle.speed_rad_s) * turning
    motor = (idle + power) / speed + ripple * rng.standard_normal(n) + 0.02 * rng.standard_normal(n) * turning
    share = (motor + spindle.inertia * ramp) / spindle.rated_nm
    voltage = 125.0 * command_rad_s / spindle.speed_rad_s
    velocity = command_rad_s + turning * (0.3 * rng.standard_normal(n) - 0.2 * torque)
    return {
        "s.velocity": velocity,
        "s.command_velocity": command_rad_s,
        "s.acceleration": acceleration + ramp,
        "s.current_feedback": share,
        "s.output_current": np.abs(share) * spindle.rated_a,
        "s.output_voltage": np.maximum(voltage + turning * rng.standard_normal(n), 0.0),
        "s.output_power": motor * velocity,
        "s.bus_voltage": 325.0 + rng.standard_normal(n),
        "s.vibration": vibration_rms_m_s2(power / spindle.cutting_speed_m_s, wear) * rng.uniform(0.9, 1.1, n),
    }
