"""People on pages: accounts and invitations for administrators, and everybody's own account."""
