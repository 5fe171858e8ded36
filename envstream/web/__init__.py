"""The server: pages and JSON (Flask), pictures (one event loop), behind one port."""
