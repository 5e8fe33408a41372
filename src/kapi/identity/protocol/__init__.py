"""Forms, requests, answers, and the parameters that all endpoints share."""
