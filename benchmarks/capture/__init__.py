"""What a batch of the job `capture` takes beside one of the main job."""
