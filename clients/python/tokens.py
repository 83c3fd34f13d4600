"""What tests ask of a token."""

import jwt


def claims(token):
    """What it says; whether it is genuine is the server's affair."""
    return jwt.decode(token, options={"verify_signature": False})


def is_accepted(server, token):
    """Whether the DICOM service takes it."""
    answer = server.session(token).get(server.dicom + "/studies?limit=1", headers={"Accept": "application/dicom+json"})
    return answer.status_code in (200, 204)
