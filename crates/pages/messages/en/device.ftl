# Letting a device in.

device-code-title = Enter code
device-code-heading = Enter the code
device-code-what = Type the code that your app or device shows.
device-code-warning = Only enter a code that you asked for yourself, a moment ago. Never enter a code that somebody sent you: it would let them act in your name.
device-code-label = Code
device-code-button = Next
device-code-foreign = This form did not come from this browser's page, or is too old, or the browser sends no cookies. Start again.
device-code-old = This page is too old. Start again.
device-code-unknown = There is no such code, or it has expired. Check it, or start again on your device.

device-confirm-title = Confirm
device-confirm-heading = Are you trying to sign in to { $application }?
device-confirm-asked-from = Asked from
# $address: the device's network address; $ago: how long ago (ago-…).
device-confirm-source = { $address }, { $ago }
device-confirm-source-unknown = an unknown address, { $ago }
device-confirm-code = Code
device-confirm-warning = If you did not start this on your own device a moment ago, refuse.

device-done-accepted = You are signed in
    .text = { $application } has what it needs on your device. You may close this window.
device-done-refused = Refused
    .text = { $application } was not let in. You may close this window. Did you not start this yourself? Tell your administrator.
device-done-late = Too late
    .text = The code has expired, or was used already. Start again on your device.
device-done-approval = Approval needed
    .text = An administrator has to grant { $application } these permissions first.
