"""One reader for each public layout, and one for a user's own table: plain arrays out, no metrics.

    TASKS               the tasks it serves: 'life', 'forecast', 'anomaly', 'class'
    NEEDS               a sentence: which files it needs
    recognises(path)    whether the folder or file is of this layout, without reading it whole
    read(path)          its data, as dataclasses of NumPy arrays
"""
