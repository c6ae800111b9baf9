# `cmake --install`: programs, client headers and archive, pkg-config file, man pages, shell completions, systemd unit.
