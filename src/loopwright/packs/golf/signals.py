"""The tables of signals of golf: a club in use (one set of values a shot) and a recorded swing (one set a swing and
view).

Directions and deviations are positive to the right of the target line, as launch monitors give them, for right- and
left-handed players alike. Limits are physical: they let every real shot through and refuse nonsense (a smash factor of
-41).
"""

from __future__ import annotations

import math

from loopwright.core.types import Kind, Signal

_DEG, _RPM = math.pi / 180, math.pi / 30

SPIN_KINDS = {0: "not known", 1: "measured", 2: "estimated"}
HANDS = {0: "right", 1: "left"}
VIEWS = {0: "face on", 1: "down the line"}
CLUB_TYPES = {
    0: "not known", 1: "driver", 2: "wood 2", 3: "wood 3", 4: "wood 4", 5: "wood 5", 6: "wood 6", 7: "wood 7", 8: "wood 8", 9: "wood 9",
    **{10 + n: f"hybrid {n}" for n in range(1, 10)}, **{20 + n: f"iron {n}" for n in range(1, 10)},
    30: "pitching wedge", 31: "gap wedge", 32: "sand wedge", 33: "lob wedge", 34: "wedge", 40: "putter",
}


def _gauge(name: str, unit: str, low: float, high: float, meaning: str) -> Signal:
    return Signal(name, unit, "gauge", None, low, high, meaning)


def _angle(name: str, low_deg: float, high_deg: float, meaning: str) -> Signal:
    return _gauge(name, "rad", low_deg * _DEG, high_deg * _DEG, meaning)


def _spin(name: str, low_rpm: float, high_rpm: float, meaning: str) -> Signal:
    return _gauge(name, "rad/s", low_rpm * _RPM, high_rpm * _RPM, meaning)


_FLIGHT = (
    _gauge("ball.speed", "m/s", 1.0, 110.0, "Speed of the ball just after impact."),
    _angle("launch.direction", -70.0, 70.0, "Direction in which the ball starts; right of the target line is positive."),
    _spin("ball.spin", 0.0, 18_000.0, "Spin rate of the ball after impact; quality doubtful where the device only estimates it."),
    _angle("ball.spin.axis", -90.0, 90.0, "Tilt of the spin axis; positive curves to the right."),
    _spin("back.spin", -8_000.0, 18_000.0, "Part of the spin that lifts the ball."),
    _spin("side.spin", -12_000.0, 12_000.0, "Part of the spin that curves the ball; positive to the right."),
    _gauge("carry", "m", 0.0, 420.0, "Distance flown until the ball is back at its starting height."),
    _gauge("total", "m", 0.0, 500.0, "Distance to where the ball came to rest, as the device says."),
    _gauge("carry.deviation", "m", -250.0, 250.0, "How far the ball landed from the target line; right is positive."),
    _angle("carry.deviation.angle", -90.0, 90.0, "Angle at which the ball landed from the target line; right is positive."),
)

CLUB = Kind("club", "A golf club in use: what a launch monitor says of every shot.", (
    _gauge("club.speed", "m/s", 1.0, 80.0, "Speed of the club head just before impact."),
    *_FLIGHT,
    _angle("launch.angle", -30.0, 85.0, "Angle at which the ball leaves, above the horizontal."),
    _angle("attack.angle", -30.0, 30.0, "Vertical direction of the club head at impact; down is negative."),
    _angle("club.path", -60.0, 60.0, "Horizontal direction of the club head at impact; right is positive."),
    _angle("face.angle", -60.0, 60.0, "Horizontal direction of the club face at impact; right is positive."),
    _angle("face.to.path", -80.0, 80.0, "Club face against club path; positive curves to the right."),
    _gauge("carry.normalised", "m", 0.0, 450.0, "Carry as it would be in standard air at sea level (1.225 kg/m3)."),
    _gauge("apex", "m", 0.0, 100.0, "Greatest height of the flight."),
    _gauge("smash", "1", 0.0, 1.7, "Ball speed over club speed."),
    _gauge("air.density", "kg/m3", 0.6, 1.6, "Density of the air at the time of the shot."),
    _gauge("air.temperature", "degC", -40.0, 60.0, "Temperature of the air."),
    _gauge("air.pressure", "Pa", 50_000.0, 110_000.0, "Pressure of the air."),
    _gauge("humidity", "1", 0.0, 1.0, "Relative humidity of the air."),
    Signal("spin.kind", "", "state", None, None, None, "Whether the device measured the spin or estimated it.", SPIN_KINDS),
    Signal("club.type", "", "state", None, None, None, "What club the device says was used.", CLUB_TYPES),
    Signal("shot.hand", "", "state", None, None, None, "Whether the shot was played right- or left-handed.", HANDS),
))

# The swing features of CaddieSet (Jung et al., CVPR workshop 2025), by event and name in the file.
# Events of the golf swing after McNally et al., GolfDB (CVPR workshop 2019).
EVENTS = ("address", "toe.up", "mid.backswing", "top", "mid.downswing", "impact", "mid.follow.through", "finish")
_FEATURES: dict[str, tuple[str, str, float, float, str]] = {
    # name in the file: (unit in the file, events, low, high, meaning)
    "SHOULDER-ANGLE": ("deg", "0123567", 0, 180, "shoulder line against the horizontal, in the image"),
    "UPPER-TILT": ("1", "02", 0, 20, "lower body over upper body"),
    "STANCE-RATIO": ("1", "0", 0, 20, "shoulder width over stride"),
    "HEAD-LOC": ("1", "123456", -1000, 1000, "movement of the head since address, as a ratio of body widths in the image"),
    "SHOULDER-LOC": ("%", "123", -1000, 1000, "left shoulder within the width of the stride"),
    "LEFT-ARM-ANGLE": ("deg", "1256", 0, 180, "angle of left shoulder, elbow and wrist"),
    "RIGHT-ARM-ANGLE": ("deg", "1345", 0, 180, "angle of right shoulder, elbow and wrist"),
    "HIP-ROTATION": ("deg", "1234", 0, 180, "turn of the pelvis since address"),
    "HIP-SHIFTED": ("1", "1234567", -1000, 1000, "movement of the hip since address"),
    "RIGHT-LEG-ANGLE": ("deg", "36", 0, 180, "angle of right hip, knee and ankle"),
    "SHOULDER-HANGING-BACK": ("1", "45", 0, 100, "left shoulder from left ankle, over the stride"),
    "HIP-HANGING-BACK": ("1", "45", 0, 100, "left hip from left ankle, over the stride"),
    "RIGHT-ARMPIT-ANGLE": ("deg", "4", 0, 180, "angle of right elbow, shoulder and pelvis"),
    "WEIGHT-SHIFT": ("deg", "6", 0, 180, "line from left ankle to left hip"),
    "FINISH-ANGLE": ("deg", "7", 0, 180, "line from left ankle to right hip"),
    "SPINE-ANGLE": ("deg", "014567", 0, 180, "spine against the horizontal"),
    "LOWER-ANGLE": ("deg", "0", 0, 180, "angle of right pelvis, knee and ankle"),
    "HIP-LINE": ("1", "1234567", -20, 20, "movement of the hip line since address, seen from behind"),
    "HIP-ANGLE": ("deg", "23467", 0, 180, "turn of the pelvis since address, seen from behind"),
    "RIGHT-DISTANCE": ("1", "3", 0, 20, "gap between right elbow and torso"),
    "LEFT-LEG-ANGLE": ("deg", "35", 0, 180, "angle of left pelvis, knee and ankle"),
}


def feature_name(column: str) -> str:
    """The signal of a feature's column: '5-HIP-LINE' -> 'impact.hip.line'. Columns that are no feature give ''."""
    event, _, name = column.partition("-")
    if name not in _FEATURES or not event.isdigit() or int(event) >= len(EVENTS):
        return ""
    return f"{EVENTS[int(event)]}.{name.lower().replace('-', '.')}"


def _feature(event: str, name: str) -> Signal:
    unit, _, low, high, words = _FEATURES[name]
    meaning = f"At {EVENTS[int(event)].replace('.', ' ')}: {words}."
    signal = f"{EVENTS[int(event)]}.{name.lower().replace('-', '.')}"
    return _angle(signal, low, high + 0.01, meaning) if unit == "deg" else _gauge(signal, "1", low, high, meaning)


FEATURES: dict[str, str] = {  # column in the file -> its unit there
    f"{event}-{name}": row[0] for name, row in _FEATURES.items() for event in row[1]
}

SWING = Kind("swing", "A recorded golf swing: posture at its events from one camera, and the flight of its ball.", (
    *_FLIGHT,
    *(_feature(column[0], column[2:]) for column in sorted(FEATURES)),
    Signal("view", "", "state", None, None, None, "From where the camera looked.", VIEWS),
    Signal("club.type", "", "state", None, None, None, "What club was used.", CLUB_TYPES),
))

KINDS = (CLUB, SWING)
