"""One script per claim about speed; each runs this project and its peers."""
