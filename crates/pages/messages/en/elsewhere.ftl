# Signing in through another provider, and why it did not work. Below each is the form for a password.

elsewhere-button = Sign in with { $provider }

elsewhere-unknown = This way to sign in does not exist here.
elsewhere-away = { $provider } cannot be reached at the moment. Try again in a minute, or sign in with a password.
elsewhere-busy = Too many sign-ins through { $provider } are under way. Try again in a minute, or sign in with a password.
elsewhere-denied = You did not sign in at { $provider }, or it did not let you.
elsewhere-refused = { $provider } refused the sign-in. If it happens again, tell your administrator the time and the correlation ID.
elsewhere-not-proven = The answer of { $provider } could not be verified. Start again. If it happens again, tell your administrator.
elsewhere-not-fresh = The application asks for a new sign-in, and { $provider } does not say that you signed in anew. Sign in there again.
elsewhere-not-linked = Your account at { $provider } does not belong to an account here. Ask your administrator to add the identity: issuer { $issuer }, subject { $subject }.
elsewhere-explicit-only = Your account at { $provider } is not linked to an account here, and this account can only be linked by an administrator: issuer { $issuer }, subject { $subject }.
elsewhere-disabled = The account is disabled.
elsewhere-unavailable = The sign-in could not be checked. Try again.
