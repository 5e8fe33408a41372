"""Commands of the heading APIs: confs, deployed APIs, and who may call them."""
