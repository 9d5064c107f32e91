"""Each claim about speed as a script: this project and its peers in one run."""
