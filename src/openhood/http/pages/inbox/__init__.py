"""The pages of what concerns oneself: the inbox, and what one watches."""
