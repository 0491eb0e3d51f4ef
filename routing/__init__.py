"""Pure routing decisions: the standard library only, no clock, no chance, no input or output."""
