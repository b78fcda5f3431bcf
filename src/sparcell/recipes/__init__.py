"""The recipes that come with Sparcell, one YAML file each."""
