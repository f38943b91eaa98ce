"""AWS on this machine: an emulator, held to loopback, with its gaps filled and as strict as AWS is."""
