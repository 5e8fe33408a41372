def fetch(url, *, max_bytes, timeout, allow_private): raise NotImplementedError
