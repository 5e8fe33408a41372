"""Commands of the heading Operate: what a running platform has, did and keeps."""
