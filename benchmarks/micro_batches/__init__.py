"""What a steady micro-batch takes today's way, and streamjoin's."""
