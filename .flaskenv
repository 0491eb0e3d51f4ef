# What `flask` alone means, in this folder.
FLASK_APP=warmline.app
