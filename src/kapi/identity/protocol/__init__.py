"""What is said: forms, requests, answers, and the parameters that every endpoint shares."""
