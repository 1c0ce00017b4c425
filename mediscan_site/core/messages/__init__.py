"""What people are told: on their pages, and by mail where they wish it."""
