"""The parts of ``bench/faults.py``: each makes its cases from a seed and tells which of them did harm."""
