"""What a code and its record are: syntaxes, normal forms, values, and the changes the journal carries.

Pure: no I/O, no clock, nothing of the other packages. Start at ``parse`` for codes, ``values`` for records,
``value_json`` and ``wire`` for their two forms outside.
"""
