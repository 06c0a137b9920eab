"""The attention-based spatio-temporal graph convolution, one part a file."""
