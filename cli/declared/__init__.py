"""The commands as they are typed: names, options, helps and examples. What each does is in the module that it calls.

Nothing else may be imported at the top of these files: `fleet --help` and completion load all of them.
"""
