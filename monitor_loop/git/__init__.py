"""What git tells of the henyey checkout and of main's history."""
