"""Services: one file each, pure. What was heard goes in, what to say comes out; nothing is read or written here.

    events, decisions, state = service.decide(heard, prediction, state, now_ns, settings)

events     what to record besides the decisions: alarms raised and cleared, work orders opened
decisions  `core.types.Decision`, each with its evidence; one that lacks data says so (`abstains`) instead of guessing
state      what the service must remember; app folds it from recorded events (`service.fold`): a restart forgets nothing

`core.plug.find("serve")` lists them; tests/every/test_services.py examines each.
"""
