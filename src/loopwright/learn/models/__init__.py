"""Models, one room for each task, one file for each model.

    wear/      whether the tool of a recorded run is worn, from features of that run (`learn.wear.evaluate`)
    classes/   which class a run, a cycle or a window is of (`learn.proof.classes`)
    forecast/  the next values of a series with their quantiles (`learn.proof.forecast`)
    anomaly/   how unlike the past each point is (`learn.proof.anomaly`)
    life/      how much life is left (`learn.proof.life`)

`core.plug.find("learn.models.<task>")` lists those of a task; NAME, MEANING and BASELINE in it say
what it is.
"""
