"""A client that does only what the document's client does: a JSON body on GET and PUT alike, one second of
patience, and the same request again at `payload.message` when a reply carries one.

usage: document_client.py ADDRESS KEY [VALUE]
"""

import sys

import requests

HOPS_MAX = 10  # the document's has no bound; a test should end


def send(address, method, message):
    for _ in range(HOPS_MAX):
        try:
            response = requests.request(method, address + "/request", json=message, timeout=1)
        except requests.RequestException as error:
            return {"code": "fail", "error": type(error).__name__}
        if response.status_code != 200:
            return {"code": "fail", "error": response.status_code}
        answer = response.json()
        address = answer.get("payload", {}).get("message")
        if address is None:
            return answer
    return {"code": "fail", "error": "too many hops"}


def get(address, key):
    return send(address, "GET", {"type": "get", "payload": {"key": key}})


def put(address, key, value):
    return send(address, "PUT", {"type": "put", "payload": {"key": key, "value": value}})


if __name__ == "__main__":
    _, ADDRESS, KEY, *VALUE = sys.argv
    print(put(ADDRESS, KEY, VALUE[0]) if VALUE else get(ADDRESS, KEY))
