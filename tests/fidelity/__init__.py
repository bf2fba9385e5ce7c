"""What a client reads through the gate equals what it reads directly, under an allow-all policy."""
