"""Every table and key of a site file: its type, what it means, its default. The reference is made from it.

LISTS are the tables that may stand several times ([[machine]]).
"""

from __future__ import annotations

from typing import Any

# what may repair a plan: operations that begin or end otherwise than planned, units, machines, people, material, orders
REPAIRS = ("started", "finished", "overdue", "scrapped", "rework", "down", "up", "slower", "away", "late", "workorder",
           "order", "due")
# table -> key -> (type, what it means, default; ... = must be given)
TABLES: dict[str, dict[str, tuple[type | tuple[type, ...], str, Any]]] = {
    "site": {
        "name": (str, "what people call this plant", ...),
        "time_zone": (str, "IANA name, for shifts and local times in files", "UTC"),
        "packs": (list, "domains that are used, from packs/", ["golf", "shop_floor"]),
        "folder": (str, "where the plant's data is kept, beside this file unless absolute", "plant"),
        "seed": (int, "what everything drawn by chance starts from", 1),
        "approvers": (list, "two names that approve changes of an example site by themselves; empty: people do it", []),
        "demo_turns": (bool, "whether the twins' golfers use what was made (the bundled demo)", False),
    },
    "broker": {
        "embedded": (bool, "start a broker of our own on loopback", False),
        "host": (str, "the broker's host", "127.0.0.1"),
        "port": (int, "the broker's port; 0 lets an embedded one choose", 0),
        "user": (str, "user name", ""),
        "password_env": (str, "environment variable that holds the password", ""),
    },
    "shifts": {
        "days": (list, "days of the week worked, 'mon' to 'sun'", ["mon", "tue", "wed", "thu", "fri"]),
        "hours": (list, "shifts in local time, 'HH:MM-HH:MM'", ["06:00-14:00", "14:00-22:00"]),
    },
    "machine": {
        "id": (str, "its name in the plant", ...),
        "kind": (str, "kind of thing: the table of its signals", ...),
        "role": (str, "what it can do: matched with the operations of the route", ...),
        "link": (dict, "protocol = ... and the settings of that protocol", {}),
        "stale_after_s": ((int, float), "seconds of silence that raise an alarm", 60.0),
        "ideal_cycle_s": (
            (int, float),
            "planned run time per item (PRI of ISO 22400-2), seconds; 0: no effectiveness",
            0.0,
        ),
        "limits": (list, "alarm limits: name, signal, low, high (inside units), deadband, priority", []),
        "plays": (
            dict,
            "what plays this machine where there is no real one: source = 'twin' or 'recording'; pace: seconds of its "
            "time played in one second (0: as fast as it goes); outside = true: somebody else plays the "
            "recording, over `link`",
            {},
        ),
        "setup": (str, "the setup it stands in before anything was done on it; '': of no matter", ""),
        "batch": (int, "so many pieces of equal `batch` in the route may be in it at once, as in an oven", 1),
    },
    "product": {
        "pack": (
            str,
            "the pack that brings rules, route and tolerances; '': the site's own files, else the only one",
            "",
        ),
        "rules": (str, "folder of rules (instead of the pack's)", ""),
        "file": (str, "product file: bill, route, tolerances (instead of the pack's)", ""),
    },
    "orders": {
        "count": (int, "how many orders a turn takes when it is not told", 12),
        "price_minor": (int, "price of one unit in minor units (cents)", 24900),
        "currency": (str, "ISO 4217 code", "EUR"),
        "due_days": ((int, float), "days from order to due date", 14.0),
        "left_share": (
            float,
            "at least this share of a turn's orders are left-handed, where such persons are known",
            0.1,
        ),
    },
    "input": {
        "persons": (list, "globs of body-measure files below --data", []),
        "shots": (list, "globs of launch-monitor files below --data", []),
        "swings": (list, "globs of swing files below --data", []),
        "runs": (str, "folder of recorded machining runs below --data", ""),
    },
    "assumed": {
        "origin": (
            str,
            "when recordings without a date are taken to begin, ISO 8601 with zone",
            "2026-01-05T06:00:00+00:00",
        ),
        "spacing_s": ((int, float), "seconds from the start of one recorded run of a machine to the next", 1800.0),
        "pairing_seed": (int, "what the pairing of data sets that do not belong together is drawn from", 0),
    },
    "kind": {
        "name": (str, "name of a kind of thing of your own", ...),
        "meaning": (str, "one sentence", ...),
        "signal": (list, "its signals: name, unit, kind, low, high, meaning, rate_hz, codes", ...),
    },
    "edge": {
        "name": (str, "the edge's name, behind which its sources stand at the centre; '': this is no edge", ""),
        "centre": (str, "the centre's API 'http(s)://host:port', or its broker 'mqtt(s)://host:port/prefix'", ""),
        "user": (str, "user name at the centre's broker", ""),
        "token_env": (str, "environment variable with the centre's API token, or the broker's password", ""),
        "buffer_mb": ((int, float), "most MB that may wait for the centre", 1000.0),
        "when_full": (str, "'wait' (nothing is acknowledged), 'drop_oldest' or 'refuse_new' (both counted)", "wait"),
        "devices_token_env": (str, "environment variable with the token of devices that post from other machines", ""),
        "report_s": ((int, float), "seconds between two reports of the edge's books to the centre", 60.0),
    },
    "store": {
        "points_url": (str, "object store of the points, 's3://bucket/prefix'; '': the plant's folder", ""),
        "points_options": (
            dict, "of it: aws_endpoint_url, aws_region, aws_allow_http; keys and secrets stand in the environment", {},
        ),
        "events_url_env": (
            str, "environment variable with the URL of the PostgreSQL database of events and people, password and "
            "all; '': the plant's folder", "",
        ),
    },
    "keep": {
        "kind": (str, "kind of thing that the line is about; patterns such as 'mill*' are allowed", "*"),
        "signals": (list, "names or patterns of its signals", ["*"]),
        "things": (list, "ids or patterns of things", ["*"]),
        "raw_days": ((int, float), "days that values are kept; 0: for ever", 0.0),
        "rollup_days": ((int, float), "days that their rollups (minute, hour) are kept; 0: for ever", 0.0),
        "hold": (str, "why nothing that the line names may be removed (a legal hold); '': no hold", ""),
    },
    "plan": {
        "objective": (str, "what a plan is good for: makespan, tardiness, setup, or a mix 'makespan:1,tardiness:5'",
                      "makespan"),
        "seconds": ((int, float), "how long a first plan is searched for", 1.0),
        "repair_s": ((int, float), "how long a repair of the plan is searched for", 0.5),
        "idle_s": ((int, float), "while nothing happens, a better plan is looked for: seconds of the first search, a "
                   "quarter of the time, until three in a row find none; 0: never", 0.0),
        "stability": ((int, float), "0: a repair looks for the best plan; 1: it moves as little as it can", 0.8),
        "frozen_min": ((int, float), "minutes from now on in which a repair leaves what is planned", 0.0),
        "repairs": (list, "what repairs the plan of a running plant by itself; empty: nothing does", list(REPAIRS)),
        "settle_s": ((int, float), "seconds of quiet after something happened before one repair for all of it", 0.5),
        "late_s": ((int, float), "so much earlier or later than planned is as planned", 60.0),
        "down_s": ((int, float), "how long a machine is taken to be down when nobody says until when", 3600.0),
        "down_states": (list, "words of the signal machine.state in which a machine is down", []),
        "down_alarms": (list, "alarm conditions during which their machine is down: names of limits, or 'silent'", []),
    },
    "maintain": {
        "early": ((int, float), "what a run of tool life costs that is thrown away", 0.0),
        "late": ((int, float), "what it costs when a tool wears out in use, in the same money; both 0: tools "
                 "are changed when they are found worn, never before", 0.0),
        "duration_s": (int, "how long changing a tool keeps the machine", 900),
    },
    "learning": {
        "every": (int, "while the plant runs, a task's model is trained again after so many new outcomes (tools worn "
                  "out, runs inspected, stretches heard); 0: not by number", 20),
        "at": (str, "local time of day 'HH:MM' at which tasks with new outcomes are trained; '': at none", ""),
        "watts": ((int, float), "power of one busy processor core, W, where its energy cannot be measured", 12.0),
    },
    "learn": {
        "task": (str, "what is learned: 'forecast', 'life', 'classes' or 'anomaly'", ...),
        "name": (str, "what the league calls it; '': the task and its signal or label", ""),
        "things": (list, "ids or patterns of machines that are listened to", ["*"]),
        "signals": (list, "names of their signals; of a forecast one, of lives of tools none", []),
        "step_s": ((int, float), "seconds of one step of what is read", 60.0),
        "ahead_s": ((int, float), "seconds ahead: the length of a forecast, or of a block in which trouble may begin",
                    3600.0),
        "history_days": ((int, float), "days that are read", 14.0),
        "label": (str, "classes: the field of a run's inspection that is told", "label"),
        "ends": (str, "life: the event that ends one, as 'machine.down'; '': tools, until a run finds them worn", ""),
        "trouble": (list, "anomaly: events that are trouble; 'alarm.raised/NAME' is one alarm, "
                    "'alarm.judged/true' those that people say were true",
                    ["machine.down", "workorder.opened"]),
        "false_alarms_per_day": ((int, float), "anomaly: false alarms a day of a machine that are allowed", 1.0),
    },
    "operator": {
        "id": (str, "who it is: a number or a post, no name", ...),
        "skills": (list, "what they can do, in the words of the route's `skill`", ...),
        "away": (list, "when they are not there: ISO 8601 'start/end' with a zone", []),
    },
    "setup": {
        "machine": (str, "id of the machine", ...),
        "before": (str, "the setup it stands in; '*' for any other", "*"),
        "after": (str, "the setup it is made ready for, in the words of the route's `setup`", ...),
        "minutes": ((int, float), "how long that takes", ...),
    },
    "tool": {
        "name": (str, "what the route's `tools` call it", ...),
        "count": (int, "how many there are", 1),
    },
    "material": {
        "item": (str, "a line of the product's bill that an operation of the route waits for", ...),
        "arrives": (str, "when it is there, ISO 8601 with a zone; '': it is", ""),
    },
    "watch": {
        "false_alarms_per_day": ((int, float, dict), "false alarms a day that the detectors may raise: of the whole "
                                 "plant, or by kind of thing: { mill = 1 }; 0: no detectors", 1.0),
        "step_s": ((int, float), "seconds of one step of the detectors", 1.0),
        "escalate_min": ((int, float), "minutes after which an alarm that nobody acknowledged goes one priority up and "
                         "to the next role; 0: never", 30.0),
        "escalate_to": (list, "roles it goes to, one after the other", ["engineer", "approver"]),
        "stale_h": ((int, float), "hours after which a standing alarm is stale", 24.0),
        "operators": (int, "how many people watch the alarms at the same time", 1),
        "suppress_states": (list, "words of the signal machine.state in which a machine's alarms are suppressed", []),
        "suppress_down": (bool, "whether alarms of a machine are suppressed that people told to be down", True),
    },
    "server": {
        "host": (str, "address the console and API listen on", "127.0.0.1"),
        "port": (int, "their port", 8080),
    },
}
LISTS = ("machine", "kind", "keep", "operator", "setup", "tool", "material", "learn")
LIMIT_KEYS = ("name", "signal", "low", "high", "deadband", "priority")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
