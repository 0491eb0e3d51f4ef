"""The menu of wishes: who may be wished for, by which key, and what a caller hears whose wish is lifted."""
