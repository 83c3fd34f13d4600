# An end that no step of the page mends, and what an error's number means.

failed-title = Sign-in failed
failed-heading = Sorry, we cannot sign you in
failed-what-you-do = What you can do
# For errors that the person cannot mend.
failed-user = Nothing is wrong with your account. Go back to the application and try again; if it happens again, tell the people who look after it.
failed-what-they-do = What administrators and developers can do
failed-details = Details for them
failed-details-hint = A click selects everything, ready to be copied.

# The page that error_uri names.
failed-code-title = Error { $code }
failed-code-meaning = What it means
failed-unknown-title = Unknown error
failed-unknown-heading = There is no such error
failed-unknown-text = This server uses no error with this number. Check the address.
