"""The forecaster with a learned latent graph, part by part; `latent_seq2seq.py` puts them together."""
