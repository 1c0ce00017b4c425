"""Several readers: nobody sees what the others said, never more reads than wanted, and disagreement goes to somebody else."""
