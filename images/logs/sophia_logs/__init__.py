"""What fills and searches the store of logs. Standard library only: the image has nothing else."""
