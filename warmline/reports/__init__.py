"""What a line's past says of its future: figures for supervisors."""
