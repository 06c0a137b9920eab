"""The command line: `app` lists the verbs, each other file does the work of one of them."""
