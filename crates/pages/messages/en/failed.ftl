# An end that no step of the page mends.

failed-title = Sign-in failed
failed-heading = Sorry, we cannot sign you in
failed-what-to-do = Go back to the application and try again. If it happens again, give your administrator these details:
failed-code = Code
failed-correlation = Correlation ID
failed-time = Time
