"""One protocol for each task: which split, which metrics, which baselines, how the champion is chosen.

    rows(path, models, seeds, out, progress, mapping=None) -> (list[Row], {place: Champion})

path      a set of a layout in learn/sets that serves the task, or a CSV of the user's own
models    names of learn/models/<task>, baselines first; 'peer:<package>' for those of PEERS
seeds     how many fits, from seed 0 on
out       a folder for the champion's predictions, or None
progress  gets a line at a time; `rows.done(progress, row)` hands it each finished row, for when Ctrl-C ends it
mapping   role -> columns of the user's own CSV, read by `learn.sets.csv` (series, cases, lives); None: a public layout
"""
