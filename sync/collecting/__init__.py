"""What every collector of the profile does alike: strict reading of batches, and the judgement of rows."""
