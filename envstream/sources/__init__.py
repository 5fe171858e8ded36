"""How pixels leave a thing: whatever an env, an emulator or a simulator gives, as RGB pixels."""
