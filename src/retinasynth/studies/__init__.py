"""Many runs and eyes that answer one question each."""
