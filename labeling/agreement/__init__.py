"""How far readers agree: with each other, with themselves, with what is known; and how each of them reads."""
