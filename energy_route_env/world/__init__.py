"""What comes from outside: harvest, arrivals, weather, and one episode of it."""
