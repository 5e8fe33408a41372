"""What a checked apk-conf contains: its values, and the rules of its texts."""
