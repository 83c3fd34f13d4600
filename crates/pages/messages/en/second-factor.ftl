# What is shown besides the password, and registering it.

second-factor-title = Second factor
second-factor-heading = Show that it is you
second-factor-code = Code of your authenticator app
second-factor-button = Continue
second-factor-recovery-instead = Use a recovery code instead
second-factor-recovery = Recovery code
second-factor-passkey = Use a passkey
second-factor-passkey-failed = The passkey did not work. Try again, or use another way.
second-factor-refused = The code is wrong, or was used before. Wait for the next one and try again.
second-factor-over = The sign-in took too long, or your account was changed meanwhile. Sign in again.

second-factor-enrol-title = Authenticator app
second-factor-enrol-heading = Add an authenticator app
# $user: the user principal name.
second-factor-enrol-why = Your organisation asks <strong>{ $user }</strong> for a second factor. Scan this code with an authenticator app, then type the code that the app shows.
second-factor-enrol-picture = QR code for the authenticator app
second-factor-enrol-no-camera = No camera at hand?
second-factor-enrol-key = Type this key into the app:
second-factor-enrol-here = Open it in the app on this device
second-factor-enrol-code = Code that the app shows
second-factor-enrol-button = Add

second-factor-enrol-passkey = Use a passkey instead

second-factor-codes-title = Recovery codes
second-factor-codes-heading = Keep your recovery codes
second-factor-codes-why = Each of these codes lets you in once when you have nothing else at hand. They are shown now and never again: print them, or keep them in a password manager.
second-factor-codes-kept = I have kept them
