"""What machines of a shop say: the tables of signals of a mill, a bench and a gauge bench.

The mill's table covers every numeric column of the public milling runs of the University of Michigan's SMART lab, so that
the recorded machine, its twin and a real mill are heard by the same table.

Where the units come from. The files state none. The data set's own readme (April 2018, the text of
kaggle.com/datasets/shasun/tool-wear-detection-in-cnc-mill) gives mm, mm/s, mm/s/s, A, V, A, V, kW, kg*m^2, and mm/s for the
feed rate and bar for the clamp. Three of these cannot be so, and the table says what is stored instead:

1. The spindle turns, so its position is in revolutions, not mm: 53.3 a second is 3,200 rpm, position grows by 5.33 a sample of
   0.1 s, and it wraps at 2,147.48, which is 2**31 millionths. (Rockwell MOTION-RM003I, p. 90: position units are the user's own.)
2. 'DCBusVoltage' and 'OutputCurrent' are exchanged in the header. The column called OutputCurrent stands at 327 (230 V mains,
   rectified, is 325 V) whatever the motor does; the one called DCBusVoltage is the motor's current: power over
   sqrt(3) * voltage * this is a power factor of 0.75 to 0.93 under load (with the other column it would be 0.0003 to 0.003).
   We store each under the name of what it is. (tests/packs/test_shop_floor_real.py holds the evidence.)
3. 'CurrentFeedback' is 56 (X and Y) and 22 (spindle) times that current, always: it is a share of the motor's rated current in
   percent, as the controller's torque-current signals are (MOTION-RM003I, p. 202: '% Motor Rated').

The spindle's 'SystemInertia' is 12 in every row; the readme says kg*m^2, which no spindle of this size has: it is a tuning
constant of the controller, kept as it was given.
"""

from __future__ import annotations

from loopwright.core.types import Kind, Signal

RATE_HZ = 10.0

# Words of Machining_Process in the recorded runs; 0 is for a word that is not of this table. 'end' and 'End' are the same.
PROCESS: dict[int, str] = {
    0: "Unknown", 1: "Starting", 2: "Prep", 3: "Layer 1 Up", 4: "Layer 1 Down", 5: "Layer 2 Up", 6: "Layer 2 Down", 7: "Layer 3 Up",
    8: "Layer 3 Down", 9: "Repositioning", 10: "End",
}
CUTTING = frozenset(code for code, word in PROCESS.items() if word.startswith("Layer"))  # the tool is in the material
LAST_LAYER = 8
STATE: dict[int, str] = {0: "idle", 1: "active", 2: "setup", 3: "down", 4: "off"}
_PROGRAMS = {n: f"program {n}" for n in range(100)}


def _gauge(name: str, unit: str, low: float, high: float, meaning: str, rate_hz: float | None = RATE_HZ) -> Signal:
    return Signal(name, unit, "gauge", rate_hz, low, high, meaning)


# Limits: what a machining centre of any size may show, several times wider than the recorded runs; outside it is a fault of
# the source, never of the machine.
_SPINDLE = (
    _gauge("s.velocity", "rad/s", -4000.0, 4000.0, "Spindle speed as measured."),
    _gauge("s.output_power", "W", -20_000.0, 60_000.0, "Power that the drive gives to the spindle motor; below zero when it brakes."),
    _gauge("s.energy", "J", -1.2e6, 3.6e6, "Energy that the drive gave to the spindle motor in the minute from then on (derived from s.output_power).", None),
    _gauge("s.current_feedback", "1", -6.0, 6.0, "Torque-making current of the spindle motor, as a share of its rated current."),
    _gauge("s.acceleration", "rad/s2", -50_000.0, 50_000.0, "Angular acceleration of the spindle; its unsteadiness under load grows with wear."),
    _gauge("s.output_current", "A", 0.0, 200.0, "Current of the spindle motor (the recorded files call this column DCBusVoltage)."),
    _gauge("s.output_voltage", "V", 0.0, 1000.0, "Voltage that the drive gives to the spindle motor."),
    _gauge("s.bus_voltage", "V", 0.0, 1200.0, "Direct voltage that feeds the spindle's drive (the recorded files call this column OutputCurrent)."),
    _gauge("s.position", "rad", -100_000.0, 100_000.0, "Angle of the spindle, wrapping at 2,147.48 turns in the recorded runs."),
    _gauge("s.command_position", "rad", -100_000.0, 100_000.0, "Angle of the spindle as commanded."),
    _gauge("s.command_velocity", "rad/s", -4000.0, 4000.0, "Spindle speed as commanded."),
    _gauge("s.command_acceleration", "rad/s2", -50_000.0, 50_000.0, "Angular acceleration of the spindle as commanded."),
    _gauge("s.inertia", "kg.m2", 0.0, 1000.0, "The controller's inertia setting of the spindle (constant; a tuning number rather than a mass)."),
    _gauge("s.vibration", "m/s2", 0.0, 5000.0, "Root mean square of the spindle head's acceleration (an accelerometer; the recorded runs have none)."),
)


def _axis(name: str) -> tuple[Signal, ...]:
    """The signals of one linear axis: 'x', 'y' or 'z'."""
    up = name.upper()
    return (
        _gauge(f"{name}.position", "m", -10.0, 10.0, f"Position of the part along {up} as measured."),
        _gauge(f"{name}.velocity", "m/s", -5.0, 5.0, f"Speed along {up} as measured."),
        _gauge(f"{name}.acceleration", "m/s2", -50.0, 50.0, f"Acceleration along {up} as measured."),
        _gauge(f"{name}.command_position", "m", -10.0, 10.0, f"Position along {up} as commanded."),
        _gauge(f"{name}.command_velocity", "m/s", -5.0, 5.0, f"Speed along {up} as commanded."),
        _gauge(f"{name}.command_acceleration", "m/s2", -50.0, 50.0, f"Acceleration along {up} as commanded."),
        _gauge(f"{name}.current_feedback", "1", -6.0, 6.0, f"Torque-making current of the {up} motor, as a share of its rated current."),
        _gauge(f"{name}.output_current", "A", 0.0, 200.0, f"Current of the {up} motor (the recorded files call this column DCBusVoltage)."),
        _gauge(f"{name}.output_voltage", "V", 0.0, 1000.0, f"Voltage that the drive gives to the {up} motor."),
        _gauge(f"{name}.bus_voltage", "V", 0.0, 1200.0, f"Direct voltage that feeds the {up} drive (the recorded files call this column OutputCurrent)."),
        _gauge(f"{name}.output_power", "W", -20_000.0, 20_000.0, f"Power that the drive gives to the {up} motor; below zero when it brakes."),
    )


_PROGRAM = (
    _gauge("program.feed", "m/s", 0.0, 5.0, "Feed rate of the tool along the part (0.05 in the recorded runs marks rapid travel or a faulty row)."),
    Signal("program.sequence", "1", "counter", RATE_HZ, 0, 10_000_000, "Line of the program that is being executed."),
    Signal("program.number", "", "state", RATE_HZ, 0, 99, "Program that is loaded.", _PROGRAMS),
    Signal("machining.process", "", "state", RATE_HZ, 0, 10, "Step of the part's machining.", PROCESS),
    Signal("run.number", "1", "counter", RATE_HZ, 0, 1_000_000_000, "Number of the machining run, from clamping a blank to taking the part out."),
)
_MACHINE = (
    Signal("machine.state", "", "state", 1.0, 0, 4, "What the machine does: idle, active (it machines), setup, down or off.", STATE),
    Signal("part.count", "1", "counter", None, 0, 1_000_000_000, "Parts whose program ran to its end since the machine was switched on."),
)

KINDS: tuple[Kind, ...] = (
    Kind("mill", "A milling machine with three linear axes and a spindle.",
         (*_SPINDLE, *_axis("x"), *_axis("y"), *_axis("z"), *_PROGRAM, *_MACHINE)),
    Kind("bench", "A station where people work by hand.", _MACHINE),
    Kind("gauge", "A bench where parts are measured.", (
        *_MACHINE,
        _gauge("gauge.temperature", "degC", -20.0, 80.0, "Temperature at the gauge, which changes what it reads.", None),
    )),
)
MILL = KINDS[0]

_S = ("position", "rev"), ("velocity", "rev/s"), ("acceleration", "rev/s2")
_L = ("position", "mm"), ("velocity", "mm/s"), ("acceleration", "mm/s2")
_WORDS = {"position": "Position", "velocity": "Velocity", "acceleration": "Acceleration"}


def _columns() -> dict[str, tuple[str, str]]:
    """Column of a recorded file -> (signal, unit in the file)."""
    found: dict[str, tuple[str, str]] = {}
    for axis, motion in (("X", _L), ("Y", _L), ("Z", _L), ("S", _S)):
        low = axis.lower()
        for quantity, unit in motion:
            found[f"{axis}1_Actual{_WORDS[quantity]}"] = (f"{low}.{quantity}", unit)
            found[f"{axis}1_Command{_WORDS[quantity]}"] = (f"{low}.command_{quantity}", unit)
        found[f"{axis}1_CurrentFeedback"] = (f"{low}.current_feedback", "%")
        found[f"{axis}1_DCBusVoltage"] = (f"{low}.output_current", "A")  # exchanged in the header: see the top of this file
        found[f"{axis}1_OutputCurrent"] = (f"{low}.bus_voltage", "V")
        found[f"{axis}1_OutputVoltage"] = (f"{low}.output_voltage", "V")
        if axis != "Z":  # the files have no Z1_OutputPower
            found[f"{axis}1_OutputPower"] = (f"{low}.output_power", "kW")
    found["S1_SystemInertia"] = ("s.inertia", "kg.m2")
    found["M1_CURRENT_PROGRAM_NUMBER"] = ("program.number", "")
    found["M1_sequence_number"] = ("program.sequence", "1")
    found["M1_CURRENT_FEEDRATE"] = ("program.feed", "mm/s")
    return found


COLUMNS: dict[str, tuple[str, str]] = _columns()
PROCESS_COLUMN = "Machining_Process"
LABEL_COLUMN = "tool_condition"  # in some copies of the files; never a signal: it is what a model must find out
