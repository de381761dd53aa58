"""The wire: deadline, credential, retry, throttle and bounded reading around one httpx transport."""
