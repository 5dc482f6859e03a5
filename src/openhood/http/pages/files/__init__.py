"""The pages of a repository's files: walking, reading, inspecting, looking back, changing and uploading."""
