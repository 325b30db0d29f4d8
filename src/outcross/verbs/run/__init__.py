"""What happens if models keep learning from models, under this data policy?"""
